package keyvault

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"orderflow/shared/shop/personal"
)

// cache holds the keys that were used last. It is safe for concurrent use.
type cache struct {
	size int

	mu    sync.Mutex
	byID  map[[sha256.Size]byte]*list.Element
	order *list.List // of *cached, the last used first
}

type cached struct {
	id  [sha256.Size]byte
	key personal.Key
}

func newCache(size int) *cache {
	return &cache{size: size, byID: map[[sha256.Size]byte]*list.Element{}, order: list.New()}
}

// cacheID names a key by its wrapped bytes and its subject, since wrapped bytes in another's row
// are not that person's key.
func cacheID(subject string, wrapped []byte) [sha256.Size]byte {
	text := binary.AppendUvarint(nil, uint64(len(subject)))
	return sha256.Sum256(append(append(text, subject...), wrapped...))
}

func (c *cache) get(id [sha256.Size]byte) (personal.Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return personal.Key{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).key, true
}

func (c *cache) put(id [sha256.Size]byte, key personal.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		c.order.MoveToFront(e)
		return
	}
	c.byID[id] = c.order.PushFront(&cached{id: id, key: key})
	if c.order.Len() > c.size {
		oldest := c.order.Back()
		c.order.Remove(oldest)
		delete(c.byID, oldest.Value.(*cached).id)
	}
}
