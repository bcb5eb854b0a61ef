//! The rules, one file each, named as their page.
