;; R10: grows its table until it gets no more, and then traps.
(memory (export "memory") 2)
(table 1 funcref)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (loop (br_if 0 (i32.ne (table.grow 0 (ref.null func) (i32.const 1000)) (i32.const -1))))
  unreachable)
(func (export "post") (param i32))
