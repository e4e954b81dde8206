;; R19: asks for a timer of an hour, without end.
;; IMPORTS clocks
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "clocks" "subscribe-duration" (func $subscribe (param i64) (result i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (loop (drop (call $subscribe (i64.const 3600000000000))) (br 0))
  unreachable)
