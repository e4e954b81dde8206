;; R34: wants a garbage collector of the host.
(component
  (core module (type $s (struct)) (func (result (ref $s)) struct.new $s)))
