;;; Opens a file in Emacs with eglot, waits for a diagnostic, applies the quick fix and looks again.
;;; Arguments come from the environment; a line "ok" is success.

(require 'package)
(package-initialize)
(require 'eglot)

;; As in docs/editors.md, with the binary under test.
(add-to-list 'eglot-server-programs
             `((python-mode python-ts-mode) . (,(getenv "RACEPROOF_BINARY") "server")))

(defun fail (what)
  (princ (format "failed: no %s: %S\n" what (mapcar #'flymake-diagnostic-text (flymake-diagnostics))))
  (kill-emacs 1))

(defun wait (what condition)
  (let ((end (+ (float-time) 60)))
    (while (not (funcall condition))
      (when (> (float-time) end) (fail what))
      (accept-process-output nil 0.02)
      ;; In batch mode no timer starts flymake.
      (flymake-start))))

(defun found (rule)
  (seq-find (lambda (it) (string-match-p (concat "\\[" rule "\\]") (flymake-diagnostic-text it)))
            (flymake-diagnostics)))

(setq eglot-sync-connect 60)
(find-file (expand-file-name "cache.py" (getenv "RACEPROOF_ROOT")))
(call-interactively #'eglot)
(wait "check-then-act" (lambda () (found "check-then-act")))

(goto-char (flymake-diagnostic-beg (found "check-then-act")))
(let ((fix (seq-find (lambda (it) (string-match-p "setdefault" (plist-get it :title)))
                     (eglot-code-actions (point) (point)))))
  (unless fix (fail "quick fix"))
  (eglot--apply-workspace-edit (plist-get fix :edit)))
(unless (string-match-p (regexp-quote "CACHE.setdefault(key, [])  # empty") (buffer-string))
  (fail "fixed text"))
;; Emacs sends changes when idle, which a batch run never is.
(eglot--signal-textDocument/didChange)
(wait "end of check-then-act" (lambda () (not (found "check-then-act"))))

(eglot-shutdown (eglot-current-server))
(princ "ok\n")
