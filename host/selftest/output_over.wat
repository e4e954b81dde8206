;; R14: answers with one text of a MiB and a half.
(memory (export "memory") 32)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
;; A complete answer whose content is one element at 1088: the text at 4096.
(data (i32.const 1036) "\40\04\00\00\01\00\00\00")
(data (i32.const 1088) "\00\00\00\00\00\10\00\00\00\00\18\00")
