;; R23: writes 64 KiB to a file of its own, again and again, until that fails.
;; The answer has the letter f.
;; IMPORTS filesystem
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "memory" "told" (func $told (param i32 i32 i32)))
(import "memory" "answer" (func $answer (result i32)))
(import "filesystem" "get-directories" (func $get-directories (param i32)))
(import "filesystem" "open-at" (func $open-at (param i32 i32 i32 i32 i32 i32 i32)))
(import "filesystem" "write" (func $write (param i32 i32 i32 i64 i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(data (i32.const 0x2000) "filled.txt")
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (local $file i32) (local $at i64)
  (call $get-directories (i32.const 0x800))
  (call $open-at
    (i32.load (i32.load (i32.const 0x800))) (i32.const 0)
    (i32.const 0x2000) (i32.const 10) (i32.const 1) (i32.const 3) (i32.const 0x810))
  (if (i32.load8_u (i32.const 0x810)) (then unreachable))
  (local.set $file (i32.load (i32.const 0x814)))
  (loop $again
    (call $write
      (local.get $file) (i32.const 0) (i32.const 0x10000) (local.get $at) (i32.const 0x820))
    (if (i32.eqz (i32.load8_u (i32.const 0x820)))
      (then
        (local.set $at (i64.add (local.get $at) (i64.load (i32.const 0x828))))
        (br $again))))
  (call $told (i32.const 0x66) (i32.const 1) (i32.load8_u (i32.const 0x828)))
  (call $answer))
