  ;; Memory that exists before the guest does, so that calls into the host can be
  ;; lowered, and what guests share. The argument of each is `{"p":"..."}`, whose
  ;; text stands from byte 6 to 2 before the end.
  (core module $memory-module
    (memory (export "memory") 8)
    (global $next (mut i32) (i32.const 0x20000))
    (global $written (mut i32) (i32.const 0))
    ;; Hands out what lies from 128 to 512 KiB, again and again.
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $place i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (if (i32.gt_u (i32.add (global.get $next) (local.get $size)) (i32.const 0x80000))
        (then (global.set $next (i32.const 0x20000))))
      (local.set $place (global.get $next))
      (global.set $next (i32.add (local.get $place) (local.get $size)))
      (local.get $place))
    ;; Adds a letter to the answer.
    (func $letter (export "letter") (param $letter i32)
      (i32.store8 (i32.add (i32.const 0x1000) (global.get $written)) (local.get $letter))
      (global.set $written (i32.add (global.get $written) (i32.const 1))))
    ;; Adds a number from 0 to 99.
    (func $number (export "number") (param $number i32)
      (call $letter (i32.add (i32.const 0x30) (i32.div_u (local.get $number) (i32.const 10))))
      (call $letter (i32.add (i32.const 0x30) (i32.rem_u (local.get $number) (i32.const 10)))))
    ;; Adds what became of a call into the host: the interface's letter, and the
    ;; number of the error, or `!!` if there was none.
    (func (export "told") (param $letter i32) (param $failed i32) (param $error i32)
      (call $letter (local.get $letter))
      (if (local.get $failed)
        (then (call $number (local.get $error)))
        (else (call $letter (i32.const 0x21)) (call $letter (i32.const 0x21)))))
    ;; A complete answer with one text: what was added.
    (func (export "answer") (result i32)
      (i32.store (i32.const 0x40c) (i32.const 0x480))
      (i32.store (i32.const 0x410) (i32.const 1))
      (i32.store (i32.const 0x484) (i32.const 0x1000))
      (i32.store (i32.const 0x488) (global.get $written))
      (i32.const 0x400))
    ;; The number that the argument is.
    (func (export "amount") (param $json i32) (param $length i32) (result i64)
      (local $end i32) (local $amount i64)
      (local.set $end (i32.sub (i32.add (local.get $json) (local.get $length)) (i32.const 2)))
      (local.set $json (i32.add (local.get $json) (i32.const 6)))
      (loop $digits
        (local.set $amount (i64.add
          (i64.mul (local.get $amount) (i64.const 10))
          (i64.sub (i64.load8_u (local.get $json)) (i64.const 0x30))))
        (local.set $json (i32.add (local.get $json) (i32.const 1)))
        (br_if $digits (i32.lt_u (local.get $json) (local.get $end))))
      (local.get $amount)))
  (core instance $memory (instantiate $memory-module))
