;; R17: logs a line as often as it is told.
;; IMPORTS log
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "memory" "amount" (func $amount (param i32 i32) (result i64)))
(import "memory" "answer" (func $answer (result i32)))
(import "log" "log" (func $log (param i32 i32 i32 i32 i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(data (i32.const 0x2000) "logged by a guest of the selftest")
(func (export "call") (param i32 i32) (param $json i32) (param $length i32) (result i32)
  (local $left i64)
  (local.set $left (call $amount (local.get $json) (local.get $length)))
  (loop $again
    (call $log (i32.const 2) (i32.const 0x2000) (i32.const 33) (i32.const 0) (i32.const 0))
    (local.set $left (i64.sub (local.get $left) (i64.const 1)))
    (br_if $again (i64.ne (local.get $left) (i64.const 0))))
  (call $answer))
