// The script of the worker that samples on a GPU.
pyroclastWork("pyroclast-gpu.wasm");
