//! Pickles, read as descriptions of tensors.
//!
//! A pickle is a program for a stack machine that builds Python objects and may call any function.
//! This machine builds plain values and descriptions of tensors. A call of anything else is an
//! error, and no call is ever made.
//!
//! Values are nodes of one list and refer to each other by number. So a value that is used a
//! million times is held once, values nested a million deep take no stack, and memory grows with
//! the length of the pickle alone.
//!
//! Source: CPython's `Lib/pickletools.py`, for the operations; PyTorch's `torch/serialization.py`,
//! for what it stores with them.

use crate::read::number::Kind;
use std::collections::HashMap;

/// The longest pickle that is read: far more than those of the largest networks.
pub(super) const LONGEST: u64 = 1 << 26;
/// The most values of one pickle, and the most that calls in it copy.
const MOST: usize = 1 << 22;
/// The most arguments of a call, and the most axes of a tensor.
const FEW: usize = 16;

/// A value by its number.
pub(super) type Id = u32;

/// A value. Texts lie in the bytes of the pickle.
#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class: its module and its name.
    Global(&'a str, &'a str),
    Storage(Storage<'a>),
    Tensor(Strided<'a>),
    /// A value without a meaning here.
    Other,
}

/// Numbers in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    /// Its name in the file.
    pub(super) key: &'a str,
    /// How its numbers are stored; `None` for whole numbers.
    pub(super) kind: Option<Kind>,
    /// The number of bytes of one number.
    pub(super) bytes: usize,
    /// The number of numbers.
    pub(super) length: usize,
}

/// A tensor: a view of a storage, which lies within it.
#[derive(Debug, Clone)]
pub(super) struct Strided<'a> {
    pub(super) storage: Storage<'a>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl Strided<'_> {
    /// The number of its values.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Why a pickle is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Damaged(String),
    /// It calls this.
    Code(String),
}

fn damaged<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Damaged(reason.into()))
}

/// The values of a pickle.
#[derive(Debug)]
pub(super) struct Values<'a> {
    nodes: Vec<Node<'a>>,
    /// The value of the whole pickle.
    pub(super) root: Id,
}

impl<'a> Values<'a> {
    pub(super) fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    /// All storages, by key.
    pub(super) fn storages(&self) -> HashMap<&'a str, Storage<'a>> {
        let storage = |node: &Node<'a>| match node {
            Node::Storage(storage) => Some((storage.key, *storage)),
            _ => None,
        };
        self.nodes.iter().filter_map(storage).collect()
    }
}

/// Reads the pickle at the beginning of these bytes, and returns its length.
pub(super) fn values(bytes: &[u8]) -> Result<(Values<'_>, usize), Fault> {
    let mut machine = Machine {
        bytes,
        at: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        copied: 0,
    };
    let root = machine.run()?;
    let values = Values {
        nodes: machine.nodes,
        root,
    };
    Ok((values, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// Entries that calls have copied.
    copied: usize,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Fault> {
        loop {
            let [operation] = self.take()?;
            match operation {
                // Protocol and frame.
                0x80 => {
                    let [version] = self.take()?;
                    if version > 5 {
                        return damaged(format!("it has the pickle protocol {version}"));
                    }
                }
                0x95 => {
                    self.take::<8>()?;
                }
                b'.' => return self.pop(),
                // The stack.
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    self.pop()?;
                }
                b'1' => {
                    self.pop_to_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                // The memo.
                b'q' => {
                    let [index] = self.take()?;
                    self.put(u64::from(index))?;
                }
                b'r' => {
                    let index = self.u32()?;
                    self.put(u64::from(index))?;
                }
                b'p' => {
                    let index = self.decimal()?;
                    self.put(index)?;
                }
                0x94 => self.put(self.memo.len() as u64)?,
                b'h' => {
                    let [index] = self.take()?;
                    self.get(u64::from(index))?;
                }
                b'j' => {
                    let index = self.u32()?;
                    self.get(u64::from(index))?;
                }
                b'g' => {
                    let index = self.decimal()?;
                    self.get(index)?;
                }
                // Plain values.
                b'N' => self.push(Node::None)?,
                0x88 => self.push(Node::Bool(true))?,
                0x89 => self.push(Node::Bool(false))?,
                b'J' => {
                    let n = i32::from_le_bytes(self.take()?);
                    self.push(Node::Int(n.into()))?;
                }
                b'K' => {
                    let [n] = self.take()?;
                    self.push(Node::Int(n.into()))?;
                }
                b'M' => {
                    let n = u16::from_le_bytes(self.take()?);
                    self.push(Node::Int(n.into()))?;
                }
                0x8a => {
                    let [n] = self.take()?;
                    self.long(n.into())?;
                }
                0x8b => {
                    let n = self.u32()?;
                    self.long(u64::from(n))?;
                }
                b'I' | b'L' => {
                    let line = self.line()?;
                    let number = line.strip_suffix('L').unwrap_or(line).parse();
                    self.push(number.map_or(Node::Other, Node::Int))?;
                }
                b'F' => {
                    self.line()?;
                    self.push(Node::Other)?;
                }
                b'G' => {
                    self.take::<8>()?;
                    self.push(Node::Other)?;
                }
                b'X' => {
                    let n = self.u32()?;
                    self.text(u64::from(n))?;
                }
                0x8c | b'U' => {
                    let [n] = self.take()?;
                    self.text(n.into())?;
                }
                0x8d => {
                    let n = u64::from_le_bytes(self.take()?);
                    self.text(n)?;
                }
                b'T' => {
                    let n = self.u32()?;
                    self.text(u64::from(n))?;
                }
                b'V' => {
                    let line = self.line()?;
                    self.push(Node::Text(line))?;
                }
                b'C' => {
                    let [n] = self.take()?;
                    self.skip(n.into())?;
                }
                b'B' => {
                    let n = self.u32()?;
                    self.skip(u64::from(n))?;
                }
                0x8e | 0x96 => {
                    let n = u64::from_le_bytes(self.take()?);
                    self.skip(n)?;
                }
                // Containers.
                b')' => self.push(Node::Tuple(Vec::new()))?,
                0x85..=0x87 => {
                    let n = usize::from(operation - 0x84);
                    let Some(start) = self.stack.len().checked_sub(n) else {
                        return damaged("its stack is empty");
                    };
                    let items = self.stack.split_off(start);
                    self.push(Node::Tuple(items))?;
                }
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::Tuple(items))?;
                }
                b']' => self.push(Node::List(Vec::new()))?,
                b'l' => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::List(items))?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_to_mark()?;
                    self.extend(items)?;
                }
                b'}' => self.push(Node::Dict(Vec::new()))?,
                b'd' => {
                    let items = self.pop_to_mark()?;
                    self.push(Node::Dict(Vec::new()))?;
                    self.set(&items)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.set(&items)?;
                }
                0x8f => self.push(Node::Other)?,
                0x91 => {
                    self.pop_to_mark()?;
                    self.push(Node::Other)?;
                }
                // Functions, classes and calls.
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.push(Node::Global(module, name))?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (self.node(module), self.node(name)) {
                        (&Node::Text(module), &Node::Text(name)) => {
                            self.push(Node::Global(module, name))?;
                        }
                        _ => return damaged("a function has no name"),
                    }
                }
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.call(function, arguments)?;
                }
                0x92 => {
                    let (_, arguments, function) = (self.pop()?, self.pop()?, self.pop()?);
                    self.call(function, arguments)?;
                }
                b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.pop_to_mark()?;
                    self.object(module, name)?;
                }
                b'o' => {
                    let items = self.pop_to_mark()?;
                    match items.first().map(|&class| self.node(class)) {
                        Some(&Node::Global(module, name)) => self.object(module, name)?,
                        _ => return damaged("an object has no class"),
                    }
                }
                // The attributes of an object: none of ours matter.
                b'b' => {
                    self.pop()?;
                    self.top()?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Node::Storage(storage))?;
                }
                other => return damaged(format!("its pickle has the operation {other:#04x}")),
            }
        }
    }

    fn node(&self, id: Id) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), Fault> {
        if self.nodes.len() == MOST {
            return damaged(format!("its pickle has more than {MOST} values"));
        }
        self.stack.push(self.nodes.len() as Id);
        self.nodes.push(node);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        // What lies below a mark belongs to an outer container.
        if self
            .marks
            .last()
            .is_some_and(|&mark| mark >= self.stack.len())
        {
            return damaged("its stack is empty");
        }
        match self.stack.pop() {
            Some(id) => Ok(id),
            None => damaged("its stack is empty"),
        }
    }

    fn top(&self) -> Result<Id, Fault> {
        match self.stack.last() {
            Some(&id) => Ok(id),
            None => damaged("its stack is empty"),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => damaged("a mark is missing"),
        }
    }

    fn put(&mut self, index: u64) -> Result<(), Fault> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn get(&mut self, index: u64) -> Result<(), Fault> {
        match self.memo.get(&index) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => damaged(format!("its pickle has no value {index}")),
        }
    }

    /// The next bytes.
    fn next(&mut self, n: u64) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(n).ok().and_then(|n| rest.get(..n)) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(bytes)
            }
            None => damaged("its pickle is cut off"),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.next(N as u64)?;
        Ok(bytes.try_into().expect("as many bytes as were asked for"))
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return damaged("its pickle is cut off");
        };
        self.at += end + 1;
        match std::str::from_utf8(&rest[..end]) {
            Ok(line) => Ok(line),
            Err(_) => damaged("a name is not UTF-8"),
        }
    }

    fn decimal(&mut self) -> Result<u64, Fault> {
        match self.line()?.parse() {
            Ok(n) => Ok(n),
            Err(_) => damaged("a number is not one"),
        }
    }

    fn long(&mut self, n: u64) -> Result<(), Fault> {
        let bytes = self.next(n)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut number = [if negative { 0xff } else { 0 }; 8];
        let node = match number.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Node::Int(i64::from_le_bytes(number))
            }
            None => Node::Other,
        };
        self.push(node)
    }

    fn text(&mut self, n: u64) -> Result<(), Fault> {
        let bytes = self.next(n)?;
        self.push(std::str::from_utf8(bytes).map_or(Node::Other, Node::Text))
    }

    fn skip(&mut self, n: u64) -> Result<(), Fault> {
        self.next(n)?;
        self.push(Node::Other)
    }

    /// Adds items to the list on top.
    fn extend(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let top = self.top()? as usize;
        match &mut self.nodes[top] {
            Node::List(list) => list.extend(items),
            Node::Other => {}
            _ => return damaged("items are added to what is no list"),
        }
        Ok(())
    }

    /// Adds keys and values, in turn, to the dictionary on top.
    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let (pairs, []) = items.as_chunks::<2>() else {
            return damaged("a key has no value");
        };
        let top = self.top()? as usize;
        match &mut self.nodes[top] {
            Node::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Node::Other => {}
            _ => return damaged("keys are added to what is no dictionary"),
        }
        Ok(())
    }

    fn call(&mut self, function: Id, arguments: Id) -> Result<(), Fault> {
        let &Node::Global(module, name) = self.node(function) else {
            return damaged("it calls what is no function");
        };
        let arguments = match self.node(arguments) {
            Node::Tuple(arguments) if arguments.len() <= FEW => arguments.clone(),
            _ => return damaged(format!("{module}.{name} has no usable arguments")),
        };
        match (module, name) {
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                match arguments.first() {
                    Some(&tensor) => self.stack.push(tensor),
                    None => return damaged("a parameter has no tensor"),
                }
                Ok(())
            }
            // (function, type, arguments, state)
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let inner = arguments.first().map(|&function| self.node(function));
                match (inner, arguments.get(2).map(|&inner| self.node(inner))) {
                    (Some(&Node::Global("torch._utils", inner)), Some(Node::Tuple(arguments)))
                        if is_tensor(inner) =>
                    {
                        let arguments = arguments.clone();
                        self.tensor(&arguments)
                    }
                    _ => Err(Fault::Code(format!("{module}.{name}"))),
                }
            }
            ("torch._utils", tensor) if is_tensor(tensor) => self.tensor(&arguments),
            ("collections", "OrderedDict" | "defaultdict") => {
                let pairs = arguments.last().map(|&pairs| self.node(pairs));
                let mut items = Vec::new();
                if let Some(Node::List(pairs)) = pairs {
                    if self.copied + pairs.len() > MOST {
                        return damaged(format!("its pickle copies more than {MOST} values"));
                    }
                    for &pair in pairs {
                        match self.node(pair) {
                            Node::Tuple(pair) | Node::List(pair) if pair.len() == 2 => {
                                items.extend_from_slice(pair);
                            }
                            _ => return damaged("a key has no value"),
                        }
                    }
                }
                self.copied += items.len();
                self.push(Node::Dict(Vec::new()))?;
                self.set(&items)
            }
            // (class, base, state): an object of that class.
            ("copyreg" | "copy_reg", "_reconstructor") => {
                match arguments.first().map(|&class| self.node(class)) {
                    Some(&Node::Global(module, name)) => self.object(module, name),
                    _ => damaged("an object has no class"),
                }
            }
            _ => self.object(module, name),
        }
    }

    /// An object that means nothing here, of a class that is known to be plain data.
    fn object(&mut self, module: &str, name: &str) -> Result<(), Fault> {
        let plain = matches!(
            (module, name),
            ("argparse", "Namespace")
                | ("_codecs", "encode")
                | ("torch", "Size" | "device")
                | ("numpy", "dtype" | "ndarray")
                | (
                    "numpy.core.multiarray" | "numpy._core.multiarray",
                    "scalar" | "_reconstruct"
                )
                | ("collections", "Counter" | "deque")
                | (
                    "builtins" | "__builtin__",
                    "set" | "frozenset" | "complex" | "slice" | "object"
                )
                | (
                    "pathlib" | "pathlib._local",
                    "Path" | "PosixPath" | "WindowsPath" | "PurePosixPath" | "PureWindowsPath"
                )
                | ("datetime", "datetime" | "date" | "timedelta")
        );
        if plain {
            self.push(Node::Other)
        } else {
            Err(Fault::Code(format!("{module}.{name}")))
        }
    }

    /// `('storage', type, key, device, length, view)`, of which the last may be absent.
    fn storage(&self, id: Id) -> Result<Storage<'a>, Fault> {
        let Node::Tuple(parts) = self.node(id) else {
            return damaged("a storage has no description");
        };
        let part = |i: usize| parts.get(i).map(|&id| self.node(id));
        let (
            Some(&Node::Text("storage")),
            Some(&Node::Global("torch" | "torch.storage", class)),
            Some(&Node::Text(key)),
            Some(&Node::Int(length)),
        ) = (part(0), part(1), part(2), part(4))
        else {
            return damaged("a storage has another description than PyTorch's");
        };
        if !matches!(part(5), None | Some(Node::None)) {
            return damaged("a storage is a part of another, as before PyTorch 0.4");
        }
        let (kind, bytes) = match class {
            "HalfStorage" => (Some(Kind::F16), 2),
            "BFloat16Storage" => (Some(Kind::Bf16), 2),
            "FloatStorage" => (Some(Kind::F32), 4),
            "DoubleStorage" => (Some(Kind::F64), 8),
            "BoolStorage" | "ByteStorage" | "CharStorage" => (None, 1),
            "ShortStorage" => (None, 2),
            "IntStorage" => (None, 4),
            "LongStorage" => (None, 8),
            other => return damaged(format!("a tensor is stored as {other}, which is not read")),
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Storage {
                key,
                kind,
                bytes,
                length,
            }),
            Err(_) => damaged("a storage has a negative length"),
        }
    }

    /// `(storage, offset, shape, strides, …)`
    fn tensor(&mut self, arguments: &[Id]) -> Result<(), Fault> {
        let argument = |i: usize| arguments.get(i).map(|&id| self.node(id));
        let (
            Some(&Node::Storage(storage)),
            Some(&Node::Int(offset)),
            Some(Node::Tuple(shape)),
            Some(Node::Tuple(strides)),
        ) = (argument(0), argument(1), argument(2), argument(3))
        else {
            return damaged("a tensor has another description than PyTorch's");
        };
        let counts = |ids: &[Id]| -> Option<Vec<usize>> {
            if ids.len() > FEW {
                return None;
            }
            let count = |&id: &Id| match self.node(id) {
                &Node::Int(n) => usize::try_from(n).ok(),
                _ => None,
            };
            ids.iter().map(count).collect()
        };
        let tensor = match (usize::try_from(offset), counts(shape), counts(strides)) {
            (Ok(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => Strided {
                storage,
                offset,
                shape,
                strides,
            },
            _ => return damaged("a tensor has sides that are no sizes"),
        };
        if !fits(&tensor) {
            return damaged(format!(
                "a tensor of shape {:?} exceeds its storage of {} numbers",
                tensor.shape, storage.length
            ));
        }
        self.push(Node::Tensor(tensor))
    }
}

fn is_tensor(function: &str) -> bool {
    matches!(function, "_rebuild_tensor" | "_rebuild_tensor_v2")
}

/// Whether a tensor lies within its storage, and its number of values is a number.
fn fits(tensor: &Strided<'_>) -> bool {
    let values = (tensor.shape.iter()).try_fold(1_usize, |n, &side| n.checked_mul(side));
    if tensor.shape.contains(&0) {
        return true;
    }
    let mut axes = tensor.shape.iter().zip(&tensor.strides);
    let last = axes.try_fold(tensor.offset, |at, (&side, &stride)| {
        (side - 1).checked_mul(stride)?.checked_add(at)
    });
    values.is_some() && last.is_some_and(|last| last < tensor.storage.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> Fault {
        values(bytes).expect_err("a pickle that is not read")
    }

    #[test]
    fn plain_values_are_read_and_the_rest_is_left() {
        // {'a': (1, [True]), 'b': -2}
        let bytes = b"\x80\x02}(X\x01\0\0\0aK\x01]\x88a\x86X\x01\0\0\0b\x8a\x01\xfeu.rest";
        let (values, length) = values(bytes).expect("a pickle");
        assert_eq!(&bytes[length..], b"rest");
        let Node::Dict(pairs) = values.node(values.root) else {
            panic!("a dictionary");
        };
        let Node::Tuple(first) = values.node(pairs[0].1) else {
            panic!("a tuple");
        };
        assert!(matches!(values.node(pairs[0].0), Node::Text("a")));
        assert!(matches!(values.node(first[0]), Node::Int(1)));
        assert!(matches!(values.node(first[1]), Node::List(list) if list.len() == 1));
        assert!(matches!(values.node(pairs[1].1), Node::Int(-2)));
    }

    #[test]
    fn a_call_of_anything_else_is_code() {
        for (bytes, call) in [
            (
                &b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."[..],
                "os.system",
            ),
            (b"\x80\x02(ios\nsystem\n.", "os.system"),
            (b"\x80\x02(cos\nsystem\no.", "os.system"),
            (
                b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93)\x81.",
                "builtins.eval",
            ),
            (
                b"\x80\x02ccopy_reg\n_reconstructor\n(csubprocess\nPopen\nNNtR.",
                "subprocess.Popen",
            ),
            (
                b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN)NtR.",
                "torch._tensor._rebuild_from_type_v2",
            ),
        ] {
            assert_eq!(fault(bytes), Fault::Code(call.into()));
        }
        // Named, but not called.
        values(b"\x80\x02cos\nsystem\n.").expect("a class as a value");
        values(b"\x80\x02cargparse\nNamespace\n)\x81}X\x01\0\0\0aK\x01sb.").expect("plain data");
    }

    #[test]
    fn what_is_cut_off_or_claims_too_much_is_damaged() {
        for bytes in [
            &b""[..],
            b"\x80\x02}",
            b"X\xff\xff\xff\xffabc.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
            b"\x8b\xff\xff\xff\xff1.",
            b"N)(0.",
            b"h\x07.",
            b"t.",
            b"\x87.",
            b"Na.",
            b"}(NNNu.",
            b"\xfe.",
        ] {
            assert!(matches!(fault(bytes), Fault::Damaged(_)), "{bytes:?}");
        }
    }

    #[test]
    fn doubling_a_value_by_memo_and_nesting_it_take_no_more_than_their_length() {
        // t = (), then t = (t, t) ten thousand times: 2^10000 values if they were copied.
        let mut bytes = b")".to_vec();
        for _ in 0..10_000 {
            bytes.extend_from_slice(b"2\x86");
        }
        bytes.push(b'.');
        let (doubled, _) = values(&bytes).expect("a pickle");
        assert_eq!(doubled.nodes.len(), 10_001);
        // A million tuples, each in the next.
        let mut bytes = vec![b')'];
        bytes.resize(1_000_001, 0x85);
        bytes.push(b'.');
        drop(values(&bytes).expect("a pickle"));
        // More values than there may be.
        let mut bytes = vec![b')'; MOST + 1];
        bytes.push(b'.');
        assert!(matches!(fault(&bytes), Fault::Damaged(_)));
    }

    #[test]
    fn what_a_call_copies_is_bounded() {
        // A list of 2^16 pairs in the memo, made into dictionaries again and again.
        let mut bytes = b"](".to_vec();
        for _ in 0..1 << 16 {
            bytes.extend_from_slice(b"NN\x86");
        }
        bytes.extend_from_slice(b"e\x85q\x000");
        for _ in 0..1 << 10 {
            bytes.extend_from_slice(b"ccollections\nOrderedDict\nh\x00R");
        }
        bytes.push(b'.');
        assert!(matches!(fault(&bytes), Fault::Damaged(reason) if reason.contains("copies")));
    }

    #[test]
    fn a_tensor_must_lie_within_its_storage() {
        let tensor = |offset, shape: &[usize], strides: &[usize]| Strided {
            storage: Storage {
                key: "0",
                kind: Some(Kind::F32),
                bytes: 4,
                length: 6,
            },
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        };
        assert!(fits(&tensor(0, &[2, 3], &[3, 1])));
        assert!(fits(&tensor(2, &[2, 2], &[1, 2])));
        assert!(fits(&tensor(9, &[0], &[1])));
        assert!(!fits(&tensor(1, &[2, 3], &[3, 1])));
        assert!(!fits(&tensor(0, &[usize::MAX, 2], &[0, 0])));
        assert!(!fits(&tensor(0, &[2, 2], &[usize::MAX, usize::MAX])));
    }
}
