;; R20: waits in the host for a day.
;; IMPORTS clocks
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "clocks" "subscribe-duration" (func $subscribe (param i64) (result i32)))
(import "clocks" "block" (func $block (param i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(func (export "call") (param i32 i32 i32 i32) (result i32)
  (call $block (call $subscribe (i64.const 86400000000000)))
  unreachable)
