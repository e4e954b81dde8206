;; R14: answers with four billion blocks.
(memory (export "memory") 2)
(data (i32.const 1036) "\00\08\00\00\ff\ff\ff\ff")
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
