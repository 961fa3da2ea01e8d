package service

import "context"

func (s *Service) runBackup(ctx context.Context, t *task) result  { return result{} }
func (s *Service) runVerify(ctx context.Context, t *task) result  { return result{} }
func (s *Service) runRestore(ctx context.Context, t *task) result { return result{} }
func (s *Service) runCleanup(ctx context.Context, t *task) result { return result{} }
