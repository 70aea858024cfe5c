//! The ports of LLM-SRE, their in-memory twins and their contract suites.
