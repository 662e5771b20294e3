//! What the command does for its process, done for a bench's.

/// Keeps the pages of a freed tensor for the next one. The system's allocator gives them back at once, and to have them
/// again costs more than to fill them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
