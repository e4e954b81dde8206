;; R06: calls itself without end. The sum keeps it from being a loop.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "post") (param i32))
(func $deeper (export "call") (param i32 i32 i32 i32) (result i32)
  (i32.add
    (call $deeper (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (i32.const 1)))
