//! Resources a step may touch, and the handles that say so.
//!
//! A step asks for a resource by an argument in its signature. What it may do
//! follows from the argument's type, at compile time for its code and at
//! deployment for its role.

use std::marker::PhantomData;

#[cfg(feature = "lambda")]
use crate::ir::ResourceKind;
use crate::ir::{Access, Grant, ResourceInfo};
#[cfg(feature = "lambda")]
use crate::objects::{ObjectError, ObjectRef, ObjectWriter, Store};

/// Declares a bucket: object storage, a folder locally and S3 on AWS.
///
/// ```
/// stepwright::bucket!(
///     /// What travels between the steps.
///     pub Staging = "staging"
/// );
/// ```
#[macro_export]
macro_rules! bucket {
    ($(#[$meta:meta])* $vis:vis $type:ident = $name:literal) => {
        $(#[$meta])*
        #[doc = concat!("\n\nThe bucket `", $name, "`.")]
        #[derive(Debug)]
        $vis enum $type {}

        impl $crate::resource::Bucket for $type {
            const INFO: $crate::ir::ResourceInfo = {
                assert!(
                    $crate::generated::is_resource_name($name),
                    "a resource's name has 1 to 40 characters: lower case letters, digits and `-` between them"
                );
                $crate::ir::ResourceInfo { kind: $crate::ir::ResourceKind::Bucket, name: $name }
            };
        }

        const _: $crate::ir::ResourceInfo = <$type as $crate::resource::Bucket>::INFO;
    };
}

/// Declares a secret: a text such as a database's URL with its password.
///
/// ```
/// stepwright::secret!(pub CoreViewUrl = "coreview");
/// ```
#[macro_export]
macro_rules! secret {
    ($(#[$meta:meta])* $vis:vis $type:ident = $name:literal) => {
        $(#[$meta])*
        #[doc = concat!("\n\nThe secret `", $name, "`.")]
        #[derive(Debug)]
        $vis enum $type {}

        impl $crate::resource::Secret for $type {
            const INFO: $crate::ir::ResourceInfo = {
                assert!(
                    $crate::generated::is_resource_name($name),
                    "a resource's name has 1 to 40 characters: lower case letters, digits and `-` between them"
                );
                assert!(
                    !$crate::generated::ends_in_arn($name),
                    "a secret's name does not end in `-arn`: that marks the variable that says where a secret is"
                );
                $crate::ir::ResourceInfo { kind: $crate::ir::ResourceKind::Secret, name: $name }
            };
        }

        const _: $crate::ir::ResourceInfo = <$type as $crate::resource::Secret>::INFO;
    };
}

/// A bucket declared with [`bucket!`](crate::bucket).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a bucket",
    label = "declare one with `stepwright::bucket!(pub {Self} = \"..\")`"
)]
pub trait Bucket: 'static {
    /// Kind and name.
    const INFO: ResourceInfo;
}

/// A secret declared with [`secret!`](crate::secret).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a secret",
    label = "declare one with `stepwright::secret!(pub {Self} = \"..\")`"
)]
pub trait Secret: 'static {
    /// Kind and name.
    const INFO: ResourceInfo;
}

/// What a step may take as an argument beside its input.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a resource handle a step can ask for",
    label = "expected `Read<..>`, `Write<..>`, `Look<..>`, `Exchange<..>`, `Use<..>`, `Callback<..>` or `Invocation`",
    note = "a step's data is its first argument; put everything it is called with into that type"
)]
pub trait Handle: Sized {
    /// What the step's role must allow, if anything.
    fn grant() -> Option<Grant>;

    /// Opens the resource for one invocation.
    #[cfg(feature = "lambda")]
    #[doc(hidden)]
    fn open(surroundings: &crate::lambda::Surroundings<'_>) -> Result<Self, crate::lambda::StepFailure>;
}

/// The bucket `B`, to get objects from.
pub type Read<B> = BucketHandle<B, ReadOnly>;
/// The bucket `B`, to get objects from and put objects into.
pub type Write<B> = BucketHandle<B, ReadWrite>;

/// The bucket `B`, which somebody else writes into: to look for objects that may not be there.
/// On AWS the role may list the bucket, without which S3 does not tell that there is none.
pub type Look<B> = BucketHandle<B, LookOnly>;
/// The bucket `B`, by which files are exchanged with somebody else: [`Look`] and [`Write`].
pub type Exchange<B> = BucketHandle<B, LookAndWrite>;

/// A bucket opened for a step, with the access its signature asks for.
#[derive(Debug)]
pub struct BucketHandle<B, A> {
    #[cfg(feature = "lambda")]
    store: Store,
    bucket: PhantomData<fn() -> (B, A)>,
}

/// Access of [`Read`].
#[derive(Debug)]
pub enum ReadOnly {}
/// Access of [`Write`].
#[derive(Debug)]
pub enum ReadWrite {}

/// Access of [`Look`].
#[derive(Debug)]
pub enum LookOnly {}
/// Access of [`Exchange`].
#[derive(Debug)]
pub enum LookAndWrite {}

/// Accesses that permit writing.
#[diagnostic::on_unimplemented(
    message = "this step did not ask for write access",
    label = "the handle is `Read<..>`",
    note = "take `Write<..>` of the bucket as a step argument; the IAM policy follows from it"
)]
pub trait MayWrite {}

impl MayWrite for ReadWrite {}
impl MayWrite for LookAndWrite {}

/// Accesses that permit to look for what may not be there.
#[diagnostic::on_unimplemented(
    message = "this step did not ask to look for objects that may not be there",
    label = "the handle is `Read<..>` or `Write<..>`",
    note = "take `Look<..>` or `Exchange<..>` of the bucket as a step argument; the IAM policy follows from it"
)]
pub trait MayLook {}

impl MayLook for LookOnly {}
impl MayLook for LookAndWrite {}

/// [`ReadOnly`], [`ReadWrite`], [`LookOnly`] and [`LookAndWrite`].
pub trait BucketAccess: 'static {
    /// The grant's access.
    const ACCESS: Access;
}

impl BucketAccess for ReadOnly {
    const ACCESS: Access = Access::Read;
}

impl BucketAccess for ReadWrite {
    const ACCESS: Access = Access::Write;
}

impl BucketAccess for LookOnly {
    const ACCESS: Access = Access::Look;
}

impl BucketAccess for LookAndWrite {
    const ACCESS: Access = Access::Exchange;
}

#[cfg(feature = "lambda")]
impl<B: Bucket, A> BucketHandle<B, A> {
    /// The bucket at a location (`file:///dir`), to call a step's `handle` in a test.
    pub fn at(location: &str) -> Result<Self, ObjectError> {
        Ok(Self { store: Store::open(B::INFO.name, location)?, bucket: PhantomData })
    }

    /// An object, verified against its reference. See [`Store::get`].
    pub fn get(&self, object: &ObjectRef) -> Result<std::fs::File, ObjectError> {
        self.store.get(object)
    }

    /// A reference to what is under a key now. See [`Store::find`].
    pub fn find(&self, key: &str, version_id: Option<&str>) -> Result<Option<ObjectRef>, ObjectError> {
        self.store.find(key, version_id)
    }

    /// A reference to an object whose arrival was told. See [`Store::arrived`].
    pub fn arrived(&self, arrival: &crate::objects::Arrival) -> Result<ObjectRef, ObjectError> {
        self.store.arrived(arrival)
    }

    /// What is under a key now, if anything. See [`Store::look`].
    pub fn look(&self, key: &str) -> Result<Option<std::fs::File>, ObjectError>
    where
        A: MayLook,
    {
        self.store.look(key)
    }

    /// The bucket, for who does with it what the handle's type says: on AWS the step's role
    /// allows nothing else.
    pub fn into_store(self) -> Store {
        self.store
    }

    /// Begins an object under a key; nothing is there before the writer's
    /// `finish`. See [`Store::create`].
    pub fn create(&self, key: &str) -> Result<ObjectWriter, ObjectError>
    where
        A: MayWrite,
    {
        self.store.create(key)
    }
}

impl<B: Bucket, A: BucketAccess> Handle for BucketHandle<B, A> {
    fn grant() -> Option<Grant> {
        Some(Grant { resource: B::INFO, access: A::ACCESS })
    }

    #[cfg(feature = "lambda")]
    fn open(surroundings: &crate::lambda::Surroundings<'_>) -> Result<Self, crate::lambda::StepFailure> {
        let name = B::INFO.name;
        let location = surroundings.resources().bucket_location(name)?;
        Self::at(location)
            .map_err(|error| crate::lambda::StepFailure::resource(ResourceKind::Bucket, name, &error))
    }
}

/// The secret `S`, to use.
pub struct Use<S> {
    #[cfg(feature = "lambda")]
    value: String,
    secret: PhantomData<fn() -> S>,
}

impl<S> std::fmt::Debug for Use<S> {
    /// Without the value: it must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Use(redacted)")
    }
}

#[cfg(feature = "lambda")]
impl<S: Secret> Use<S> {
    /// A secret with this value, to call a step's `handle` in a test.
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: value.into(), secret: PhantomData }
    }

    /// The secret's value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl<S: Secret> Handle for Use<S> {
    fn grant() -> Option<Grant> {
        Some(Grant { resource: S::INFO, access: Access::Use })
    }

    #[cfg(feature = "lambda")]
    fn open(surroundings: &crate::lambda::Surroundings<'_>) -> Result<Self, crate::lambda::StepFailure> {
        surroundings.resources().secret_value(S::INFO.name).map(Self::of)
    }
}
