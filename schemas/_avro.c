/* The codec's fast path: flat records, written by the schema of this release and read by it or by another writer's.
 *
 * A Plan says for each field of the writer's schema, in its order: its type, and where the message keeps it. An Encoder and a
 * Decoder are callables made from plans. Neither reports what is wrong: whatever they cannot write or read they hand to
 * their fallback, which is Python, knows all of Avro and finds the words. So there is one place that refuses, and what
 * this file accepts must be exactly what that place accepts (tests compare the two on damaged bytes).
 *
 * Strict: integers in range and in their shortest form, enum positions and lengths in range, UTF-8, nothing left over.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdint.h>
#include <string.h>

#define FIELDS_MAX 64
#define SKIPPED (-1)
#define HEADER_BYTES 5
#define INLINE_BYTES 1024 /* most records fit, and need no allocation but the result */
#define NUMBER_BYTES_MAX 10
#define SCALAR_BYTES_MAX (1 + NUMBER_BYTES_MAX) /* a union's branch and a number */

typedef enum { BOOLEAN, INT, LONG, DOUBLE, STRING, BYTES, ENUM, KINDS } Kind;

typedef struct {
    Kind kind;
    int nullable;
    Py_ssize_t slot;   /* position among the message's constructor arguments; SKIPPED: the message has no such field */
    Py_ssize_t offset; /* of the attribute within the message object */
    PyObject *members; /* ENUM: a tuple in the order of the symbols */
} Field;

typedef struct {
    PyObject_HEAD
    PyTypeObject *record;
    PyObject *headers; /* bytes: one or more headers, 5 bytes each; the first one is written */
    Py_ssize_t string_bytes_max;
    Py_ssize_t value_bytes_max;
    Py_ssize_t field_count;
    Field fields[FIELDS_MAX];
    PyObject *defaults; /* a tuple: by slot, what the message gets where the writer has no such field */
    Py_ssize_t slot_count;
} Plan;

/* ---- Plan ---- */

static void
plan_dealloc(Plan *self)
{
    for (Py_ssize_t at = 0; at < self->field_count; at++) {
        Py_XDECREF(self->fields[at].members);
    }
    Py_XDECREF((PyObject *)self->record);
    Py_XDECREF(self->headers);
    Py_XDECREF(self->defaults);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* Where instances keep the attribute; -1 with an exception if that cannot be known. */
static Py_ssize_t
attribute_offset(PyTypeObject *record, PyObject *name)
{
    PyObject *descriptor = PyObject_GetAttr((PyObject *)record, name);
    if (descriptor == NULL) {
        return -1;
    }
    Py_ssize_t offset = -1;
    if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type) && PyDescr_TYPE(descriptor) == record) {
        PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
        if (member->type == T_OBJECT_EX) {
            offset = member->offset;
        }
    }
    Py_DECREF(descriptor);
    if (offset < 0) {
        PyErr_Format(PyExc_TypeError, "%s.%U is not a slot", record->tp_name, name);
    }
    return offset;
}

static int
plan_field(Plan *self, Field *field, PyObject *description)
{
    PyObject *name, *members;
    int kind;
    if (!PyTuple_Check(description)) {
        PyErr_SetString(PyExc_TypeError, "a field is (name, kind, nullable, slot, members)");
        return -1;
    }
    if (!PyArg_ParseTuple(description, "UipnO", &name, &kind, &field->nullable, &field->slot, &members)) {
        return -1;
    }
    if (kind < 0 || kind >= KINDS || (kind == ENUM) != PyTuple_Check(members)) {
        PyErr_Format(PyExc_ValueError, "%U: no such kind of field", name);
        return -1;
    }
    field->kind = (Kind)kind;
    if (field->slot != SKIPPED) {
        field->offset = attribute_offset(self->record, name);
        if (field->offset < 0) {
            return -1;
        }
    }
    field->members = kind == ENUM ? Py_NewRef(members) : NULL;
    return 0;
}

static PyObject *
plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"record", "headers", "fields", "defaults", "string_bytes_max", "value_bytes_max", NULL};
    PyObject *record, *headers, *fields, *defaults;
    Py_ssize_t string_bytes_max, value_bytes_max;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!SO!O!nn", keywords, &PyType_Type, &record, &headers,
                                     &PyTuple_Type, &fields, &PyTuple_Type, &defaults, &string_bytes_max,
                                     &value_bytes_max)) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(fields);
    Py_ssize_t slot_count = PyTuple_GET_SIZE(defaults);
    if (count > FIELDS_MAX || slot_count > FIELDS_MAX) {
        return PyErr_Format(PyExc_ValueError, "more than %d fields", FIELDS_MAX);
    }
    if (PyBytes_GET_SIZE(headers) < HEADER_BYTES || PyBytes_GET_SIZE(headers) % HEADER_BYTES != 0) {
        return PyErr_Format(PyExc_ValueError, "headers have %d bytes each", HEADER_BYTES);
    }
    Plan *self = (Plan *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->record = (PyTypeObject *)Py_NewRef(record);
    self->headers = Py_NewRef(headers);
    self->string_bytes_max = string_bytes_max;
    self->value_bytes_max = value_bytes_max;
    self->slot_count = slot_count;
    self->defaults = Py_NewRef(defaults);
    uint64_t taken = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        Field *field = &self->fields[at];
        if (plan_field(self, field, PyTuple_GET_ITEM(fields, at)) < 0) {
            Py_DECREF(self);
            return NULL;
        }
        self->field_count = at + 1;
        if (field->slot == SKIPPED) {
            continue;
        }
        if (field->slot < 0 || field->slot >= slot_count || taken & (UINT64_C(1) << field->slot)) {
            PyErr_Format(PyExc_ValueError, "slot %zd is out of range or taken", field->slot);
            Py_DECREF(self);
            return NULL;
        }
        taken |= UINT64_C(1) << field->slot;
    }
    return (PyObject *)self;
}

static PyTypeObject PlanType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "schemas._avro.Plan",
    .tp_doc = "Where each field of a record is, in its schema and in its message.",
    .tp_basicsize = sizeof(Plan),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = plan_new,
    .tp_dealloc = (destructor)plan_dealloc,
};

/* ---- writing ---- */

typedef struct {
    unsigned char *start, *at, *end;
    unsigned char room[INLINE_BYTES];
} Buffer;

/* Makes room for so many bytes more. Returns -1 without memory, with no exception set. */
static int
reserve(Buffer *buffer, Py_ssize_t bytes)
{
    if (buffer->end - buffer->at >= bytes) {
        return 0;
    }
    Py_ssize_t used = buffer->at - buffer->start;
    Py_ssize_t size = 2 * (used + bytes);
    int moves = buffer->start == buffer->room;
    unsigned char *start = PyMem_Realloc(moves ? NULL : buffer->start, (size_t)size);
    if (start == NULL) {
        return -1;
    }
    if (moves) {
        memcpy(start, buffer->room, (size_t)used);
    }
    buffer->start = start;
    buffer->at = start + used;
    buffer->end = start + size;
    return 0;
}

static inline unsigned char *
put_number(unsigned char *at, int64_t number)
{
    uint64_t zigzag = ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
    while (zigzag > 0x7f) {
        *at++ = (unsigned char)(zigzag | 0x80);
        zigzag >>= 7;
    }
    *at++ = (unsigned char)zigzag;
    return at;
}

static int
put_integer(Buffer *buffer, PyObject *value, Kind kind)
{
    int overflow;
    if (!PyLong_CheckExact(value)) {
        return -1;
    }
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || (kind == INT && (number < INT32_MIN || number > INT32_MAX))) {
        return -1;
    }
    buffer->at = put_number(buffer->at, number);
    return 0;
}

static int
put_piece(Buffer *buffer, const char *piece, Py_ssize_t length, Py_ssize_t length_max)
{
    if (length > length_max || reserve(buffer, NUMBER_BYTES_MAX + length) < 0) {
        return -1;
    }
    buffer->at = put_number(buffer->at, length);
    memcpy(buffer->at, piece, (size_t)length);
    buffer->at += length;
    return 0;
}

static int
put_string(Buffer *buffer, PyObject *value, Py_ssize_t length_max)
{
    Py_ssize_t length;
    if (!PyUnicode_CheckExact(value)) {
        return -1;
    }
    const char *text = PyUnicode_AsUTF8AndSize(value, &length);
    if (text == NULL) {
        PyErr_Clear(); /* a lone surrogate */
        return -1;
    }
    return put_piece(buffer, text, length, length_max);
}

static int
put_double(Buffer *buffer, PyObject *value)
{
    if (!PyFloat_CheckExact(value)) {
        return -1;
    }
    double number = PyFloat_AS_DOUBLE(value);
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    for (int byte = 0; byte < 8; byte++) { /* little endian, whatever this machine is */
        *buffer->at++ = (unsigned char)(bits >> (8 * byte));
    }
    return 0;
}

static int
put_member(Buffer *buffer, PyObject *value, PyObject *members)
{
    Py_ssize_t count = PyTuple_GET_SIZE(members);
    for (Py_ssize_t index = 0; index < count; index++) {
        if (PyTuple_GET_ITEM(members, index) == value) {
            buffer->at = put_number(buffer->at, index);
            return 0;
        }
    }
    return -1;
}

/* Returns -1, with no exception set, for what is not of the field's type or beyond its limits. */
static int
put_field(Buffer *buffer, const Plan *plan, const Field *field, PyObject *value)
{
    if (value == NULL || reserve(buffer, SCALAR_BYTES_MAX) < 0) {
        return -1;
    }
    if (field->nullable) {
        if (value == Py_None) {
            *buffer->at++ = 0;
            return 0;
        }
        *buffer->at++ = 2;
    }
    switch (field->kind) {
    case BOOLEAN:
        if (value != Py_True && value != Py_False) {
            return -1;
        }
        *buffer->at++ = value == Py_True;
        return 0;
    case INT:
    case LONG:
        return put_integer(buffer, value, field->kind);
    case DOUBLE:
        return put_double(buffer, value);
    case STRING:
        return put_string(buffer, value, plan->string_bytes_max);
    case BYTES:
        if (!PyBytes_CheckExact(value)) {
            return -1;
        }
        return put_piece(buffer, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), plan->value_bytes_max);
    case ENUM:
        return put_member(buffer, value, field->members);
    default:
        return -1;
    }
}

/* The value as bytes; NULL with no exception set for a message that this file cannot write. */
static PyObject *
write_message(const Plan *plan, PyObject *message)
{
    PyObject *result = NULL;
    Buffer buffer;
    buffer.start = buffer.room;
    buffer.end = buffer.room + INLINE_BYTES;
    memcpy(buffer.room, PyBytes_AS_STRING(plan->headers), HEADER_BYTES);
    buffer.at = buffer.room + HEADER_BYTES;
    for (Py_ssize_t at = 0; at < plan->field_count; at++) {
        const Field *field = &plan->fields[at];
        PyObject *value = *(PyObject **)((char *)message + field->offset);
        if (put_field(&buffer, plan, field, value) < 0) {
            goto done;
        }
    }
    if (buffer.at - buffer.start <= plan->value_bytes_max) {
        result = PyBytes_FromStringAndSize((char *)buffer.start, buffer.at - buffer.start);
    }
done:
    if (buffer.start != buffer.room) {
        PyMem_Free(buffer.start);
    }
    return result;
}

/* ---- reading ---- */

typedef struct {
    const unsigned char *at, *end;
} Reader;

/* A number of at most `limit` before zigzag, in its shortest form. Returns -1 if there is none. */
static inline int
take_number(Reader *reader, uint64_t limit, int64_t *number)
{
    uint64_t zigzag = 0;
    for (int shift = 0; shift < 7 * NUMBER_BYTES_MAX; shift += 7) {
        if (reader->at == reader->end) {
            return -1;
        }
        unsigned char byte = *reader->at++;
        zigzag |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if ((byte == 0 && shift) || (shift == 63 && byte > 1) || zigzag > limit) {
                return -1;
            }
            *number = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
            return 0;
        }
    }
    return -1;
}

static PyObject *
take_integer(Reader *reader, uint64_t limit)
{
    int64_t number;
    return take_number(reader, limit, &number) < 0 ? NULL : PyLong_FromLongLong(number);
}

/* The length of what follows, which is then within the value. Returns -1 if it is not. */
static Py_ssize_t
take_length(Reader *reader)
{
    int64_t length;
    if (take_number(reader, UINT64_MAX, &length) < 0 || length < 0 || length > reader->end - reader->at) {
        return -1;
    }
    return (Py_ssize_t)length;
}

static PyObject *
take_string(Reader *reader, Py_ssize_t length_max)
{
    Py_ssize_t length = take_length(reader);
    if (length < 0 || length > length_max) {
        return NULL;
    }
    PyObject *text = PyUnicode_DecodeUTF8((const char *)reader->at, length, NULL);
    reader->at += length;
    return text;
}

static PyObject *
take_bytes(Reader *reader)
{
    Py_ssize_t length = take_length(reader);
    if (length < 0) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)reader->at, length);
    reader->at += length;
    return bytes;
}

static PyObject *
take_double(Reader *reader)
{
    if (reader->end - reader->at < 8) {
        return NULL;
    }
    uint64_t bits = 0;
    for (int byte = 0; byte < 8; byte++) {
        bits |= (uint64_t)*reader->at++ << (8 * byte);
    }
    double number;
    memcpy(&number, &bits, sizeof number);
    return PyFloat_FromDouble(number);
}

static PyObject *
take_boolean(Reader *reader)
{
    if (reader->at == reader->end || *reader->at > 1) {
        return NULL;
    }
    return PyBool_FromLong(*reader->at++);
}

static PyObject *
take_member(Reader *reader, PyObject *members)
{
    int64_t index;
    if (take_number(reader, UINT64_MAX, &index) < 0 || index < 0 || index >= PyTuple_GET_SIZE(members)) {
        return NULL;
    }
    return Py_NewRef(PyTuple_GET_ITEM(members, index));
}

/* A new reference; NULL for malformed bytes, for UTF-8 and memory with an exception set. */
static PyObject *
take_field(Reader *reader, const Plan *plan, const Field *field)
{
    if (field->nullable) {
        int64_t branch;
        if (take_number(reader, 2, &branch) < 0 || branch < 0) {
            return NULL;
        }
        if (branch == 0) {
            return Py_NewRef(Py_None);
        }
    }
    switch (field->kind) {
    case BOOLEAN:
        return take_boolean(reader);
    case INT:
        return take_integer(reader, UINT32_MAX);
    case LONG:
        return take_integer(reader, UINT64_MAX);
    case DOUBLE:
        return take_double(reader);
    case STRING:
        return take_string(reader, plan->string_bytes_max);
    case BYTES:
        return take_bytes(reader);
    case ENUM:
        return take_member(reader, field->members);
    default:
        return NULL;
    }
}

/* The message; NULL, perhaps with an exception set, for bytes that are not one. */
static PyObject *
read_message(const Plan *plan, Reader *reader)
{
    PyObject *arguments[FIELDS_MAX]; /* borrowed where they are defaults, else owned by `read` */
    PyObject *read[FIELDS_MAX];
    PyObject *message = NULL;
    Py_ssize_t at;
    memcpy(arguments, ((PyTupleObject *)plan->defaults)->ob_item, (size_t)plan->slot_count * sizeof(PyObject *));
    for (at = 0; at < plan->field_count; at++) {
        const Field *field = &plan->fields[at];
        PyObject *value = take_field(reader, plan, field);
        if (value == NULL) {
            goto done;
        }
        read[at] = value;
        if (field->slot != SKIPPED) {
            arguments[field->slot] = value;
        }
    }
    if (reader->at == reader->end) {
        message = PyObject_Vectorcall((PyObject *)plan->record, arguments, (size_t)plan->slot_count, NULL);
    }
done:
    while (at-- > 0) {
        Py_DECREF(read[at]);
    }
    return message;
}

static int
has_header(const Plan *plan, const char *value)
{
    const char *header = PyBytes_AS_STRING(plan->headers);
    const char *end = header + PyBytes_GET_SIZE(plan->headers);
    for (; header < end; header += HEADER_BYTES) {
        if (memcmp(value, header, HEADER_BYTES) == 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- Encoder and Decoder: callables of one argument ---- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *plans; /* Encoder: a dict from class to Plan; Decoder: a Plan */
    PyObject *fallback;
} Callable;

static int
callable_traverse(Callable *self, visitproc visit, void *arg)
{
    Py_VISIT(self->plans);
    Py_VISIT(self->fallback);
    return 0;
}

static int
callable_clear(Callable *self)
{
    Py_CLEAR(self->plans);
    Py_CLEAR(self->fallback);
    return 0;
}

static void
callable_dealloc(Callable *self)
{
    PyObject_GC_UnTrack(self);
    (void)callable_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
callable_make(PyTypeObject *type, PyObject *plans, PyObject *fallback, vectorcallfunc call)
{
    Callable *self = (Callable *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->call = call;
    self->plans = Py_NewRef(plans);
    self->fallback = Py_NewRef(fallback);
    return (PyObject *)self;
}

/* The only argument; NULL with an exception if the call has another number of them, or the object was cleared. */
static PyObject *
only_argument(Callable *self, PyObject *const *args, size_t nargsf, PyObject *names)
{
    if (PyVectorcall_NARGS(nargsf) != 1 || (names != NULL && PyTuple_GET_SIZE(names) != 0)) {
        PyErr_Format(PyExc_TypeError, "%s takes one argument by position", Py_TYPE(self)->tp_name);
        return NULL;
    }
    if (self->plans == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "used while it is being collected");
        return NULL;
    }
    return args[0];
}

static PyObject *
encoder_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Callable *self = (Callable *)callable;
    PyObject *message = only_argument(self, args, nargsf, names);
    if (message == NULL) {
        return NULL;
    }
    PyObject *plan = PyDict_GetItemWithError(self->plans, (PyObject *)Py_TYPE(message));
    if (plan != NULL) {
        PyObject *value = write_message((Plan *)plan, message);
        if (value != NULL) {
            return value;
        }
    }
    return PyErr_Occurred() ? NULL : PyObject_CallOneArg(self->fallback, message);
}

static PyObject *
decoder_call(PyObject *callable, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Callable *self = (Callable *)callable;
    PyObject *value = only_argument(self, args, nargsf, names);
    if (value == NULL) {
        return NULL;
    }
    const Plan *plan = (Plan *)self->plans;
    if (PyBytes_CheckExact(value)) {
        const char *bytes = PyBytes_AS_STRING(value);
        Py_ssize_t size = PyBytes_GET_SIZE(value);
        if (size >= HEADER_BYTES && size <= plan->value_bytes_max && has_header(plan, bytes)) {
            Reader reader = {(const unsigned char *)bytes + HEADER_BYTES, (const unsigned char *)bytes + size};
            PyObject *message = read_message(plan, &reader);
            if (message != NULL) {
                return message;
            }
            if (PyErr_Occurred()) {
                if (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
                    return NULL;
                }
                PyErr_Clear();
            }
        }
    }
    return PyObject_CallOneArg(self->fallback, value);
}

/* Whether the plan is of the message's own schema. */
static int
writes_all(const Plan *plan)
{
    for (Py_ssize_t at = 0; at < plan->field_count; at++) {
        if (plan->fields[at].slot == SKIPPED) {
            return 0;
        }
    }
    return plan->field_count == plan->slot_count;
}

static PyObject *
encoder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"plans", "fallback", NULL};
    PyObject *plans, *fallback, *plan;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O", keywords, &PyTuple_Type, &plans, &fallback)) {
        return NULL;
    }
    PyObject *by_class = PyDict_New();
    if (by_class == NULL) {
        return NULL;
    }
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(plans); at++) {
        plan = PyTuple_GET_ITEM(plans, at);
        if (!Py_IS_TYPE(plan, &PlanType) || !writes_all((Plan *)plan)) {
            Py_DECREF(by_class);
            return PyErr_Format(PyExc_TypeError, "plans must be of the class Plan, with a field for each slot");
        }
        if (PyDict_SetItem(by_class, (PyObject *)((Plan *)plan)->record, plan) < 0) {
            Py_DECREF(by_class);
            return NULL;
        }
    }
    PyObject *self = callable_make(type, by_class, fallback, encoder_call);
    Py_DECREF(by_class);
    return self;
}

static PyObject *
decoder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"plan", "fallback", NULL};
    PyObject *plan, *fallback;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!O", keywords, &PlanType, &plan, &fallback)) {
        return NULL;
    }
    return callable_make(type, plan, fallback, decoder_call);
}

#define CALLABLE_TYPE                                                                                                  \
    .tp_basicsize = sizeof(Callable), .tp_vectorcall_offset = offsetof(Callable, call), .tp_call = PyVectorcall_Call,  \
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,                                  \
    .tp_traverse = (traverseproc)callable_traverse, .tp_clear = (inquiry)callable_clear,                               \
    .tp_dealloc = (destructor)callable_dealloc

static PyTypeObject EncoderType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "schemas._avro.Encoder",
    .tp_doc = "Called with a message, returns its value.",
    .tp_new = encoder_new,
    CALLABLE_TYPE,
};

static PyTypeObject DecoderType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "schemas._avro.Decoder",
    .tp_doc = "Called with a value, returns its message.",
    .tp_new = decoder_new,
    CALLABLE_TYPE,
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "schemas._avro",
    .m_doc = "The codec's fast path.",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__avro(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) {
        return NULL;
    }
    if (PyModule_AddType(module, &PlanType) < 0 || PyModule_AddType(module, &EncoderType) < 0 ||
        PyModule_AddType(module, &DecoderType) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
