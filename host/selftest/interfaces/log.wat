  (import "skillhost:skill/log@1.0.0" (instance $skill-log
    (type $a (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $a)))
    (export "log" (func
      (param "level" $level) (param "message" string)
      (param "fields" (list (tuple string string)))))))
  (core func $log-line (canon lower (func $skill-log "log")
    (memory (core memory $memory "memory"))))
  (core instance $log (export "log" (func $log-line)))
