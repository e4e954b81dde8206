;; Answers with a case that the type does not have.
(memory (export "memory") 2)
(data (i32.const 1024) "\ff")
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
