;; N12: imports raw connections.
(component
  (import "wasi:sockets/tcp@0.2.0" (instance)))
