;; R02: never comes to an end of its start function.
(memory (export "memory") 2)
(func $forever (loop br 0))
(start $forever)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
