  (import "wasi:filesystem/types@0.2.0" (instance $types-of-files
    (export "descriptor" (type $descriptor (sub resource)))
    (type $a (enum
      "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist"
      "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io"
      "is-directory" "loop" "too-many-links" "message-size" "name-too-long" "no-device"
      "no-entry" "no-lock" "insufficient-memory" "insufficient-space" "not-directory"
      "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow"
      "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $error (eq $a)))
    (type $b (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $b)))
    (type $c (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $c)))
    (type $d (flags
      "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync"
      "mutate-directory"))
    (export "descriptor-flags" (type $flags (eq $d)))
    (export "[method]descriptor.open-at" (func
      (param "self" (borrow $descriptor)) (param "path-flags" $path-flags) (param "path" string)
      (param "open-flags" $open-flags) (param "flags" $flags)
      (result (result (own $descriptor) (error $error)))))
    (export "[method]descriptor.write" (func
      (param "self" (borrow $descriptor)) (param "buffer" (list u8)) (param "offset" u64)
      (result (result u64 (error $error)))))
    (export "[method]descriptor.create-directory-at" (func
      (param "self" (borrow $descriptor)) (param "path" string)
      (result (result (error $error)))))
    (export "[method]descriptor.unlink-file-at" (func
      (param "self" (borrow $descriptor)) (param "path" string)
      (result (result (error $error)))))
    (export "[method]descriptor.rename-at" (func
      (param "self" (borrow $descriptor)) (param "old-path" string)
      (param "new-descriptor" (borrow $descriptor)) (param "new-path" string)
      (result (result (error $error)))))
    (export "[method]descriptor.symlink-at" (func
      (param "self" (borrow $descriptor)) (param "old-path" string) (param "new-path" string)
      (result (result (error $error)))))))
  (alias export $types-of-files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $a))
    (export "descriptor" (type $descriptor (eq $a)))
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))
  (core func $get-directories (canon lower (func $preopens "get-directories")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $open-at (canon lower (func $types-of-files "[method]descriptor.open-at")
    (memory (core memory $memory "memory"))))
  (core func $write (canon lower (func $types-of-files "[method]descriptor.write")
    (memory (core memory $memory "memory"))))
  (core func $create-directory-at (canon lower
    (func $types-of-files "[method]descriptor.create-directory-at")
    (memory (core memory $memory "memory"))))
  (core func $unlink-file-at (canon lower (func $types-of-files "[method]descriptor.unlink-file-at")
    (memory (core memory $memory "memory"))))
  (core func $rename-at (canon lower (func $types-of-files "[method]descriptor.rename-at")
    (memory (core memory $memory "memory"))))
  (core func $symlink-at (canon lower (func $types-of-files "[method]descriptor.symlink-at")
    (memory (core memory $memory "memory"))))
  (core instance $filesystem
    (export "get-directories" (func $get-directories))
    (export "open-at" (func $open-at))
    (export "write" (func $write))
    (export "create-directory-at" (func $create-directory-at))
    (export "unlink-file-at" (func $unlink-file-at))
    (export "rename-at" (func $rename-at))
    (export "symlink-at" (func $symlink-at)))
