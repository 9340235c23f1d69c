// Package recent remembers what was used last.
package recent

import (
	"container/list"
	"sync"
)

// Of remembers a value for each of the keys that were used last. It is safe for concurrent use.
type Of[K comparable, V any] struct {
	most int

	mu     sync.Mutex
	values map[K]*list.Element
	used   list.List // of entry[K, V], the one that was used last in front
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// New remembers the values of at most so many keys.
func New[K comparable, V any](most int) *Of[K, V] {
	return &Of[K, V]{most: most, values: map[K]*list.Element{}}
}

// Recall gives the value of a key, if it is remembered.
func (o *Of[K, V]) Recall(key K) (value V, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := o.values[key]
	if at == nil {
		return value, false
	}
	o.used.MoveToFront(at)
	return at.Value.(entry[K, V]).value, true
}

// Remember notes the value of a key, in place of an earlier one. The key that was used the longest
// ago makes room.
func (o *Of[K, V]) Remember(key K, value V) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at := o.values[key]; at != nil {
		at.Value = entry[K, V]{key, value}
		o.used.MoveToFront(at)
		return
	}
	o.values[key] = o.used.PushFront(entry[K, V]{key, value})
	if last := o.used.Back(); o.used.Len() > o.most {
		delete(o.values, o.used.Remove(last).(entry[K, V]).key)
	}
}
