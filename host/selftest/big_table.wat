;; R10: declares a table of a billion elements.
(memory (export "memory") 2)
(table 1000000000 funcref)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
