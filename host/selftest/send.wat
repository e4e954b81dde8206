;; N01 to N05: sends the request that it is told, such as `GET http://host/`. The
;; answer has the letter h.
;; IMPORTS http
(import "memory" "memory" (memory 1))
(import "memory" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
(import "memory" "told" (func $told (param i32 i32 i32)))
(import "memory" "answer" (func $answer (result i32)))
(import "http" "send" (func $send
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32)))
(export "memory" (memory 0))
(export "realloc" (func $realloc))
(func (export "post") (param i32))
(func (export "call") (param i32 i32) (param $json i32) (param $length i32) (result i32)
  (local $method i32) (local $space i32) (local $end i32)
  (local.set $method (i32.add (local.get $json) (i32.const 6)))
  (local.set $end (i32.sub (i32.add (local.get $json) (local.get $length)) (i32.const 2)))
  (local.set $space (local.get $method))
  (loop $find
    (local.set $space (i32.add (local.get $space) (i32.const 1)))
    (br_if $find (i32.ne (i32.load8_u (local.get $space)) (i32.const 0x20))))
  (call $send
    (local.get $method) (i32.sub (local.get $space) (local.get $method))
    (i32.add (local.get $space) (i32.const 1))
    (i32.sub (i32.sub (local.get $end) (local.get $space)) (i32.const 1))
    ;; No fields, no body, no time limit, no credential.
    (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i64.const 0)
    (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0x800))
  (call $told (i32.const 0x68)
    (i32.load8_u (i32.const 0x800)) (i32.load8_u (i32.const 0x804)))
  (call $answer))
