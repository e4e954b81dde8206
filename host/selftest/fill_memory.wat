;; R05: fills 64 MiB again and again: few instructions, much work.
(memory (export "memory") 1024)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x4000000)) (br 0))
  i32.const 1024)
(func (export "post") (param i32))
