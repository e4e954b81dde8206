;; R08: grows its memory until it gets no more, and then traps.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "post") (param i32))
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
  unreachable)
