;; Answers with the sixteen characters of `TEXT-OF-16-CHARS`, which a test may
;; replace in the component: two that differ in nothing but what they say.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
(func (export "post") (param i32))
;; A complete answer whose content is one element at 1088.
(data (i32.const 1036) "\40\04\00\00\01\00\00\00")
;; A text of sixteen bytes at 1104.
(data (i32.const 1088) "\00\00\00\00\50\04\00\00\10\00\00\00")
(data (i32.const 1104) "TEXT-OF-16-CHARS")
