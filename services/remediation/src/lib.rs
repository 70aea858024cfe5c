//! Plans, approves, executes and verifies repairs within the policy.
