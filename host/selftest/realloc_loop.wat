;; R03: computes without end while it is given its arguments.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (loop br 0) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
