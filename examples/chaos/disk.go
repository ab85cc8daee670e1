package main

import "context"

func diskFull(context.Context, *run) error     { return errSkipped }
func syncError(context.Context, *run) error    { return errSkipped }
func slowDisk(context.Context, *run) error     { return errSkipped }
func powerCut(context.Context, *run) error     { return errSkipped }
func littleMemory(context.Context, *run) error { return errSkipped }
