# What Cython is told about outbox.py when it compiles it. Nothing else reads this.

cdef class _Done:
    pass


cdef class Outbox:
    cdef public bint _begun
    cdef public object _framing
    cdef public Py_ssize_t _flush_size
    cdef public list _waiting
    cdef public Py_ssize_t _framed
    cdef public list _texts
    cdef public object _plain
    cdef public object _run
    cdef public Py_ssize_t _overhead
    cdef public Py_ssize_t _unsent
    cdef public Py_ssize_t _stride
    cdef public Py_ssize_t _look
    cdef public Py_ssize_t _near
    cdef public bint _open
    cdef public bint _roused
    cdef public bint _deferring
