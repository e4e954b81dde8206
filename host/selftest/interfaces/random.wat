  (import "wasi:random/random@0.2.0" (instance $random-bytes
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core func $get-random-bytes (canon lower (func $random-bytes "get-random-bytes")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core instance $random (export "get-random-bytes" (func $get-random-bytes)))
