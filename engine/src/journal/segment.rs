//! Segments: the records of one execution that became durable together.
//!
//! ```text
//! version (1 byte) │ CRC-32C of execution id, first record and body (4 bytes) │ body
//! body = count, then per record: id, id − previous, milliseconds since the
//!        record before, draws, frame, number of the fact, its fields
//! ```
//! Numbers have a variable length; a text or payload that was written before
//! in the segment is a reference. The numbers of facts are for ever: a fact
//! whose fields change gets a new number.

use super::checksum::crc32c;
use super::pack::{Malformed, Packed, Packer, Unpacker};
use crate::machine::{Fact, MapRun, Record, Redrive, Scheduled, Started};

/// The version of the format; the first byte of every segment.
const VERSION: u8 = 1;
/// Version and checksum.
const HEADER_BYTES: usize = 5;

/// Packs records. `first_record` counts the records of the execution before.
pub(crate) fn encode(execution_id: i64, first_record: u64, records: &[Record]) -> Vec<u8> {
    let mut packer = Packer::after(vec![0; HEADER_BYTES]);
    (records.len() as u64).pack(&mut packer);
    for record in records {
        pack_record(record, &mut packer);
    }
    let mut bytes = packer.bytes;
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let checksum = crc32c(&[&execution_id.to_le_bytes(), &first_record.to_le_bytes(), body]);
    if let Some((header, _)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() {
        let [a, b, c, d] = checksum.to_le_bytes();
        *header = [VERSION, a, b, c, d];
    }
    bytes
}

/// Unpacks records, after checking that nothing has changed since they were packed.
pub(crate) fn decode(execution_id: i64, first_record: u64, bytes: &[u8]) -> Result<Vec<Record>, Malformed> {
    let Some(([version, a, b, c, d], body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Malformed("it is shorter than its header"));
    };
    if *version != VERSION {
        return Err(Malformed("it has a version that this engine does not know"));
    }
    let checksum = crc32c(&[&execution_id.to_le_bytes(), &first_record.to_le_bytes(), body]);
    if checksum.to_le_bytes() != [*a, *b, *c, *d] {
        return Err(Malformed("its checksum is wrong"));
    }
    let mut unpacker = Unpacker::new(body);
    let count = u64::unpack(&mut unpacker)?;
    let records: Vec<Record> = (0..count).map(|_| unpack_record(&mut unpacker)).collect::<Result<_, _>>()?;
    if unpacker.is_at_end() {
        Ok(records)
    } else {
        Err(Malformed("there is something after its last record"))
    }
}

fn pack_record(record: &Record, packer: &mut Packer) {
    record.id.pack(packer);
    record.id.wrapping_sub(record.previous).pack(packer);
    record.at_millis.wrapping_sub(packer.millis).pack(packer);
    packer.millis = record.at_millis;
    record.draws.pack(packer);
    record.frame.pack(packer);
    record.fact.pack(packer);
}

fn unpack_record(unpacker: &mut Unpacker<'_>) -> Result<Record, Malformed> {
    let id = u64::unpack(unpacker)?;
    let previous = id.wrapping_sub(u64::unpack(unpacker)?);
    let at_millis = unpacker.millis.wrapping_add(i64::unpack(unpacker)?);
    unpacker.millis = at_millis;
    Ok(Record {
        id,
        previous,
        at_millis,
        draws: u64::unpack(unpacker)?,
        frame: u32::unpack(unpacker)?,
        fact: Fact::unpack(unpacker)?,
    })
}

macro_rules! packed_struct {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl Packed for $name {
            fn pack(&self, packer: &mut Packer) {
                $(self.$field.pack(packer);)+
            }

            fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($field: Packed::unpack(unpacker)?,)+ })
            }
        }
    };
}

macro_rules! packed_facts {
    ($($number:literal => $variant:ident { $($field:ident),* })+) => {
        impl Packed for Fact {
            fn pack(&self, packer: &mut Packer) {
                match self {
                    $(Self::$variant { $($field),* } => {
                        $number.pack(packer);
                        $($field.pack(packer);)*
                    })+
                }
            }

            fn unpack(unpacker: &mut Unpacker<'_>) -> Result<Self, Malformed> {
                match u64::unpack(unpacker)? {
                    $($number => Ok(Self::$variant { $($field: Packed::unpack(unpacker)?),* }),)+
                    _ => Err(Malformed("a fact that does not exist")),
                }
            }
        }
    };
}

packed_struct!(Started {
    execution_arn,
    name,
    state_machine_arn,
    state_machine_name,
    role_arn,
    input,
    seed,
    trace_header
});
packed_struct!(MapRun {
    arn,
    label,
    max_concurrency,
    tolerated_failure_count,
    tolerated_failure_percentage_bits,
    reader_arguments,
    max_items,
    items_per_batch,
    bytes_per_batch,
    batch_input,
    writer_arguments
});
packed_struct!(Redrive { client_token, reason });
packed_struct!(Scheduled { resource, region, arguments, timeout_seconds, heartbeat_seconds, credentials });

packed_facts! {
    1_u64 => ExecutionStarted { started, timeout }
    2_u64 => ExecutionSucceeded { output }
    3_u64 => ExecutionFailed { error, cause }
    4_u64 => ExecutionAborted { error, cause }
    5_u64 => ExecutionTimedOut { error, cause }
    6_u64 => StateEntered { kind, name, input }
    7_u64 => StateExited { kind, name, output, assigned, next }
    8_u64 => StateAborted { kind }
    9_u64 => EvaluationFailed { state, location, error, cause }
    10_u64 => TaskScheduled { task, timeout, heartbeat }
    11_u64 => TaskStarted { resource }
    12_u64 => TaskSucceeded { resource, output }
    13_u64 => TaskFailed { resource, failure }
    14_u64 => TaskTimedOut { resource, failure }
    15_u64 => HeartbeatReceived { heartbeat }
    16_u64 => WaitArmed { timer }
    17_u64 => RetryArmed { retrier, timer }
    18_u64 => RetryStarted {}
    19_u64 => MapStateStarted { items, length, limit }
    20_u64 => MapStateSucceeded {}
    21_u64 => MapStateFailed {}
    22_u64 => MapIterationStarted { child, index, name, input }
    23_u64 => MapIterationSucceeded { child, index, name }
    24_u64 => MapIterationFailed { child, index, name, failure }
    25_u64 => MapIterationAborted { child, index, name }
    26_u64 => ParallelStateStarted { input }
    27_u64 => ParallelStateSucceeded {}
    28_u64 => ParallelStateFailed {}
    29_u64 => BranchStarted { child, index }
    30_u64 => BranchSucceeded { child, index }
    31_u64 => BranchFailed { child, failure }
    32_u64 => BranchAborted { child }
    33_u64 => ChildrenDropped { chain }
    34_u64 => TaskTokenIssued { token }
    35_u64 => ActivityStarted { worker, timeout, heartbeat }
    36_u64 => TaskSubmitted { resource, output }
    37_u64 => TaskSubmitFailed { resource, failure }
    38_u64 => TaskScheduleFailed { resource, failure }
    39_u64 => MapRunStarted { run }
    40_u64 => MapRunSucceeded { output }
    41_u64 => MapRunFailed { failure }
    42_u64 => MapRunAborted {}
    43_u64 => ExecutionRedriven { redrive_count, redrive, timeout }
    44_u64 => MapRunRedriven { arn, redrive_count }
}
