  (import "wasi:io/poll@0.2.0" (instance $io-poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $io-poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic-clock
    (alias outer 1 $pollable (type $a))
    (export "pollable" (type $pollable (eq $a)))
    (type $b u64)
    (export "duration" (type $duration (eq $b)))
    (export "subscribe-duration" (func (param "when" $duration) (result (own $pollable))))))
  (core func $subscribe-duration (canon lower (func $monotonic-clock "subscribe-duration")))
  (core func $block (canon lower (func $io-poll "[method]pollable.block")))
  (core instance $clocks
    (export "subscribe-duration" (func $subscribe-duration))
    (export "block" (func $block)))
