;; F01 to F10: opens what it is told below its first directory, `rPATH` to read,
;; `wPATH` to write or make. The answer has the letter f.
;; IMPORTS filesystem
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "memory" "told" (func $told (param i32 i32 i32)))
(import "memory" "answer" (func $answer (result i32)))
(import "filesystem" "get-directories" (func $get-directories (param i32)))
(import "filesystem" "open-at" (func $open-at (param i32 i32 i32 i32 i32 i32 i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(func (export "call") (param i32 i32) (param $json i32) (param $length i32) (result i32)
  (local $writes i32)
  (local.set $writes
    (i32.eq (i32.load8_u (i32.add (local.get $json) (i32.const 6))) (i32.const 0x77)))
  (call $get-directories (i32.const 0x800))
  (call $open-at
    (i32.load (i32.load (i32.const 0x800)))
    ;; Links are followed.
    (i32.const 1)
    (i32.add (local.get $json) (i32.const 7)) (i32.sub (local.get $length) (i32.const 9))
    ;; To write: made if it is not there.
    (local.get $writes)
    (i32.add (i32.const 1) (i32.mul (local.get $writes) (i32.const 2)))
    (i32.const 0x810))
  (call $told (i32.const 0x66)
    (i32.load8_u (i32.const 0x810)) (i32.load8_u (i32.const 0x814)))
  (call $answer))
