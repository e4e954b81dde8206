;; R04: answers, and then traps.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32) unreachable)
