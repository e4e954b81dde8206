  (import "skillhost:skill/state@1.0.0" (instance $skill-state
    (type $a (variant
      (case "not-granted") (case "quota-exceeded") (case "conflict") (case "unavailable" string)))
    (export "error" (type $error (eq $a)))
    (export "set" (func
      (param "key" string) (param "value" (list u8)) (param "expect" (option u64))
      (param "ttl-ms" (option u64)) (result (result u64 (error $error)))))))
  (core func $set (canon lower (func $skill-state "set")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core instance $state (export "set" (func $set)))
