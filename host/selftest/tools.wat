;; A component that exports `skillhost:skill/tools`. Its core module exports:
;;
;;   memory
;;   realloc (old, old size, alignment, size) -> pointer
;;   call (tool, its length, arguments, their length) -> pointer to the result
;;   post (pointer to the result)
;;
;; A result that is all zeros is a complete, empty answer. What a guest imports
;; stands before it, and is handed to it at `WITH`; see compose.rs.
(component
  (import "skillhost:skill/types@1.0.0" (instance $types
    (type $a (record (field "data" (list u8)) (field "mime-type" string)))
    (export "blob" (type $blob (eq $a)))
    (type $b (variant (case "text" string) (case "bytes" (list u8))))
    (export "resource-body" (type $body (eq $b)))
    (type $c (record (field "uri" string) (field "mime-type" (option string)) (field "body" $body)))
    (export "embedded-resource" (type $embedded (eq $c)))
    (type $d (record
      (field "uri" string) (field "name" string)
      (field "description" (option string)) (field "mime-type" (option string))))
    (export "resource-link" (type $link (eq $d)))
    (type $e (variant
      (case "text" string) (case "image" $blob) (case "audio" $blob)
      (case "embedded" $embedded) (case "link" $link)))
    (export "content" (type $content (eq $e)))
    (type $f (record (field "content" (list $content)) (field "structured" (option string))))
    (export "output" (type $output (eq $f)))
    (type $g (record
      (field "requests" (list (tuple string string))) (field "state" (option (list u8)))))
    (export "input-request" (type $input-request (eq $g)))
    (type $h (variant (case "complete" $output) (case "input-required" $input-request)))
    (export "outcome" (type $outcome (eq $h)))
    (type $i (record
      (field "message" string) (field "code" (option string)) (field "details" (option string))))
    (export "problem" (type $problem (eq $i)))
    (type $j (record
      (field "message" string) (field "code" (option string)) (field "retry-after-ms" (option u64))))
    (export "transient" (type $transient (eq $j)))
    (type $k (variant
      (case "invalid-arguments" $problem) (case "denied" $problem) (case "not-found" $problem)
      (case "unavailable" $transient) (case "cancelled") (case "failed" $problem)))
    (export "error" (type $error (eq $k)))))
  (alias export $types "outcome" (type $outcome))
  (alias export $types "error" (type $error))

  (core module $module
;; CORE
  )
;; PARTS
  (core instance $core (instantiate $module (;WITH;)))
  (func $call (param "tool" string) (param "arguments" string) (result (result $outcome (error $error)))
    (canon lift (core func $core "call")
      (memory (core memory $core "memory")) (realloc (core func $core "realloc"))
      (post-return (core func $core "post"))))
  (instance $tools (export "call" (func $call)))
  (export "skillhost:skill/tools@1.0.0" (instance $tools))
)
