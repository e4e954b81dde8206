;; R09: three memories of 100 MiB, each of which alone would be within the limit.
(memory (export "memory") 2)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "post") (param i32))
(func (export "call") (param i32 i32 i32 i32) (result i32) i32.const 1024)
;; PARTS
  (core module $big (memory 1600))
  (core instance (instantiate $big))
  (core instance (instantiate $big))
  (core instance (instantiate $big))
