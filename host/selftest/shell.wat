;; N12: imports the running of other programs.
(component
  (import "evil:host/shell@1.0.0" (instance)))
