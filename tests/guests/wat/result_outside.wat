;; Answers with a pointer behind the end of memory.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 0xfffffff8)
(func (export "post") (param i32))
