;; X06: looks for a byte that is not zero in 16 MiB of fresh memory, and then
;; leaves its own there. Answers `clean` or `dirty`.
(memory (export "memory") 258)
(func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
(func (export "post") (param i32))
;; A complete answer whose content is one element at 1088: the text at 1104.
(data (i32.const 1036) "\40\04\00\00\01\00\00\00")
(data (i32.const 1088) "\00\00\00\00\50\04\00\00\05\00\00\00")
(data (i32.const 1104) "clean")
(data (i32.const 1120) "dirty")
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (local $at i32)
  (local.set $at (i32.const 0x20000))
  (loop $next
    (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
      (then (i32.store (i32.const 1092) (i32.const 1120))))
    (local.set $at (i32.add (local.get $at) (i32.const 8)))
    (br_if $next (i32.lt_u (local.get $at) (i32.const 0x1020000))))
  (memory.fill (i32.const 0x20000) (i32.const 0xa5) (i32.const 0x1000000))
  i32.const 1024)
