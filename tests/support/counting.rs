//! Burn's router in front of a backend, with a client that counts what passes through it.
//!
//! It is the place through which every backend behind a queue has to go. The router is a backend of
//! its own, so the fused kernels do not know it and run as compositions of burn's operations.

#![allow(dead_code, reason = "each test uses a part of it")]

use burn::tensor::{Shape, TensorData};
use burn_backend::backend::{BackendTypes, ExecutionError};
use burn_backend::{DType, DTypeUsageSet};
use burn_ir::{BackendIr, OperationIr, TensorId, TensorIr};
use burn_router::{
    BackendRouter, MultiBackendBridge, RouterTensor, Runner, RunnerChannel, RunnerClient,
};
use burn_std::future::DynFut;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What has passed since the process started.
static WAITS: AtomicUsize = AtomicUsize::new(0);
static UPLOADS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// A backend whose traffic is counted.
pub(crate) type Counting<I> = BackendRouter<Channel<I>>;

/// What some work made pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    /// How often a value was read back or the device was waited for.
    pub(crate) waits: usize,
    /// Tensors that the host sent.
    pub(crate) uploads: usize,
    /// The bytes of these.
    pub(crate) bytes: usize,
}

impl Traffic {
    /// That of some work. One piece of work at a time: the counters are those of the process.
    pub(crate) fn of(work: impl FnOnce()) -> Self {
        let now = || [&WAITS, &UPLOADS, &BYTES].map(|counter| counter.load(Ordering::SeqCst));
        let before = now();
        work();
        let after = now();
        let [waits, uploads, bytes] = [0, 1, 2].map(|i| after[i] - before[i]);
        Self {
            waits,
            uploads,
            bytes,
        }
    }
}

#[derive(Clone)]
pub(crate) struct Client<I: BackendIr>(Runner<I>);

impl<I: BackendIr> RunnerClient for Client<I> {
    type Device = I::Device;

    fn register_op(&self, op: OperationIr) {
        self.0.register_op(op);
    }

    fn read_tensor_async(&self, tensor: TensorIr) -> DynFut<Result<TensorData, ExecutionError>> {
        WAITS.fetch_add(1, Ordering::SeqCst);
        self.0.read_tensor_async(tensor)
    }

    fn sync(&self) -> Result<(), ExecutionError> {
        WAITS.fetch_add(1, Ordering::SeqCst);
        self.0.sync()
    }

    fn create_empty_handle(&self) -> TensorId {
        self.0.create_empty_handle()
    }

    fn register_tensor_data(&self, data: TensorData) -> RouterTensor<Self> {
        UPLOADS.fetch_add(1, Ordering::SeqCst);
        BYTES.fetch_add(data.bytes.len(), Ordering::SeqCst);
        let tensor = self.0.register_tensor_data(data).into_ir();
        RouterTensor::new(tensor.id, tensor.shape, tensor.dtype, self.clone())
    }

    fn device(&self) -> I::Device {
        self.0.device()
    }

    fn seed(&self, seed: u64) {
        self.0.seed(seed);
    }

    fn dtype_usage(&self, dtype: DType) -> DTypeUsageSet {
        self.0.dtype_usage(dtype)
    }
}

/// There is one device, so nothing crosses.
pub(crate) struct NoBridge<I>(PhantomData<I>);

impl<I: BackendIr> MultiBackendBridge for NoBridge<I> {
    type TensorHandle = I::Handle;
    type Device = I::Device;

    fn change_backend_float(handle: I::Handle, _: Shape, _: &I::Device) -> I::Handle {
        handle
    }

    fn change_backend_int(handle: I::Handle, _: Shape, _: &I::Device) -> I::Handle {
        handle
    }

    fn change_backend_bool(handle: I::Handle, _: Shape, _: &I::Device) -> I::Handle {
        handle
    }
}

#[derive(Clone)]
pub(crate) struct Channel<I>(PhantomData<I>);

impl<I: BackendIr> RunnerChannel for Channel<I> {
    type Device = I::Device;
    type Bridge = NoBridge<I>;
    type Client = Client<I>;
    type FloatElem = <I as BackendTypes>::FloatElem;
    type IntElem = <I as BackendTypes>::IntElem;
    type BoolElem = <I as BackendTypes>::BoolElem;

    fn name(_: &I::Device) -> String {
        "counting".into()
    }

    fn init_client(device: &I::Device) -> Client<I> {
        Client(Runner::new(device.clone()))
    }

    fn get_tensor_handle(tensor: &TensorIr, client: &Client<I>) -> I::Handle {
        client.0.get_tensor_handle(tensor)
    }

    fn register_tensor(
        client: &Client<I>,
        handle: I::Handle,
        shape: Shape,
        dtype: DType,
    ) -> RouterTensor<Client<I>> {
        let tensor = client
            .0
            .register_tensor(handle, shape, dtype, client.0.clone())
            .into_ir();
        RouterTensor::new(tensor.id, tensor.shape, tensor.dtype, client.clone())
    }
}
