;; X06: leaves something behind for a later call. The answer has the letter k.
;; IMPORTS state
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "memory" "told" (func $told (param i32 i32 i32)))
(import "memory" "answer" (func $answer (result i32)))
(import "state" "set" (func $set (param i32 i32 i32 i32 i32 i64 i32 i64 i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(data (i32.const 0x2000) "token")
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (call $set
    (i32.const 0x2000) (i32.const 5) (i32.const 0x2000) (i32.const 5)
    (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 0x800))
  (call $told (i32.const 0x6b)
    (i32.load8_u (i32.const 0x800)) (i32.load8_u (i32.const 0x808)))
  (call $answer))
