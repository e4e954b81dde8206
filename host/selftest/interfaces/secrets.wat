  (import "skillhost:skill/secrets@1.0.0" (instance $skill-secrets
    (type $a (enum "undeclared" "not-set" "not-granted"))
    (export "error" (type $error (eq $a)))
    (export "reveal" (func (param "name" string) (result (result string (error $error)))))))
  (core func $reveal (canon lower (func $skill-secrets "reveal")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core instance $secrets (export "reveal" (func $reveal)))
