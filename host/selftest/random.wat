;; R18: asks for as many random bytes as it is told, a thousand times.
;; IMPORTS random
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "memory" "amount" (func $amount (param i32 i32) (result i64)))
(import "memory" "answer" (func $answer (result i32)))
(import "random" "get-random-bytes" (func $get-random-bytes (param i64 i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(func (export "call") (param i32 i32) (param $json i32) (param $length i32) (result i32)
  (local $bytes i64) (local $left i32)
  (local.set $bytes (call $amount (local.get $json) (local.get $length)))
  (local.set $left (i32.const 1000))
  (loop $again
    (call $get-random-bytes (local.get $bytes) (i32.const 0x800))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left)))
  (call $answer))
