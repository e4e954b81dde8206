;; S27: is no component.
(module
  (func (export "call") (loop br 0)))
