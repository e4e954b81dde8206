  (import "skillhost:skill/http@1.0.0" (instance $skill-http
    (type $a (record
      (field "method" string) (field "url" string)
      (field "headers" (list (tuple string string))) (field "body" (option (list u8)))
      (field "timeout-ms" (option u64)) (field "credential" (option string))))
    (export "request" (type $request (eq $a)))
    (type $b (record
      (field "status" u16) (field "headers" (list (tuple string string)))
      (field "body" (list u8))))
    (export "response" (type $response (eq $b)))
    (type $c (variant
      (case "denied" string) (case "invalid-request" string) (case "timeout")
      (case "too-large") (case "connection" string)))
    (export "error" (type $error (eq $c)))
    (export "send" (func
      (param "request" $request) (result (result $response (error $error)))))))
  (core func $send (canon lower (func $skill-http "send")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core instance $http (export "send" (func $send)))
