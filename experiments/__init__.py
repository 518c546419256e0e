"""The study: one folder per published table, figure or question. Nothing under ``mlmd`` imports from here."""
