;; R34: shares a memory between threads.
(component
  (core module (memory 1 1 shared)))
