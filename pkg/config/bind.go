package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// bind fills the exported fields of a Checker or a Teller from the keys that their toml tags name; what stands in a field before is
// the default. A field of a kind that it does not know is a mistake of the program's.
func bind(at *value, c any) {
	whole := reflect.ValueOf(c).Elem()
	for _, f := range reflect.VisibleFields(whole.Type()) {
		if key, ok := f.Tag.Lookup("toml"); ok {
			bindField(at, key, whole.FieldByIndex(f.Index))
		}
	}
}

func bindField(at *value, key string, f reflect.Value) {
	switch now := f.Interface().(type) {
	case string:
		f.SetString(at.text(key, now))
	case bool:
		f.SetBool(at.flag(key, now))
	case time.Duration:
		f.SetInt(int64(at.duration(key, now, 0, never)))
	case int:
		f.SetInt(int64(at.whole(key, now, 0, mostInt)))
	case []string:
		if list := at.texts(key); list != nil {
			f.Set(reflect.ValueOf(list))
		}
	case map[string]string:
		if m := at.textMap(key); m != nil {
			f.Set(reflect.ValueOf(m))
		}
	default:
		panic(fmt.Sprintf("key %s has the type %v, which the configuration cannot fill", key, f.Type()))
	}
}

// textMap reads a table of any keys and strings; nil if it is absent or not a table.
func (v *value) textMap(key string) map[string]string {
	inner := v.get(key)
	if inner == nil || !inner.isTable() {
		return nil
	}
	m := make(map[string]string, len(inner.table))
	for _, k := range slices.Sorted(maps.Keys(inner.table)) {
		m[k] = inner.text(k, "")
	}
	return m
}
