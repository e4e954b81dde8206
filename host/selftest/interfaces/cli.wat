  (import "wasi:cli/environment@0.2.0" (instance $cli-environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:io/error@0.2.0" (instance $io-error
    (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $io-error-type))
  (import "wasi:io/streams@0.2.0" (instance $io-streams
    (export "output-stream" (type $output-stream (sub resource)))
    (alias outer 1 $io-error-type (type $a))
    (export "error" (type $error (eq $a)))
    (type $b (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $b)))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output-stream)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $io-streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $cli-stdout
    (alias outer 1 $output-stream (type $a))
    (export "output-stream" (type $output-stream (eq $a)))
    (export "get-stdout" (func (result (own $output-stream))))))
  (core func $get-environment (canon lower (func $cli-environment "get-environment")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $get-arguments (canon lower (func $cli-environment "get-arguments")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $get-stdout (canon lower (func $cli-stdout "get-stdout")))
  (core func $write-stdout (canon lower
    (func $io-streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $memory "memory"))))
  (core instance $cli
    (export "get-environment" (func $get-environment))
    (export "get-arguments" (func $get-arguments))
    (export "get-stdout" (func $get-stdout))
    (export "write" (func $write-stdout)))
